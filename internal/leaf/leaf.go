// Package leaf asks what the whole of an error is, where errors.Is asks for a part.
package leaf

// All says whether err is nothing but targets: every leaf of its tree, which is what
// wraps no other error, is one of them. errors.Join(target, other) is not, and other
// is not to be lost.
func All(err error, targets ...error) bool {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return All(inner, targets...)
		}
	case interface{ Unwrap() []error }:
		leaves := 0
		for _, inner := range e.Unwrap() {
			if inner == nil {
				continue
			}
			if leaves++; !All(inner, targets...) {
				return false
			}
		}
		if leaves > 0 {
			return true
		}
	}
	for _, t := range targets {
		if is(err, t) {
			return true
		}
	}
	return false
}

// is is errors.Is for a leaf. A target can be compared with anything: it is a pointer.
func is(err, target error) bool {
	if err == target {
		return true
	}
	e, ok := err.(interface{ Is(error) bool })
	return ok && e.Is(target)
}
