package bench

import (
	"errors"

	"github.com/go-greenlet/greenlet/internal/cbench"
)

// ErrNotBuiltIn is what a peer's Do returns when the program was built without it.
var ErrNotBuiltIn = errors.New("not built in (build tag boost)")

// cSides are switches of C code, all in the same shape.
func cSides(live, frames int, kinds ...string) []Side {
	var sides []Side
	for _, kind := range kinds {
		sides = append(sides, Side{kind, func(measure func(op func(n int))) error {
			return locked(func() error {
				b, err := cbench.New(kind, live, frames, order(live))
				if errors.Is(err, errors.ErrUnsupported) {
					return ErrNotBuiltIn
				}
				if err != nil {
					return err
				}
				defer b.Free()
				measure(b.Run)
				return nil
			})
		}})
	}
	return sides
}
