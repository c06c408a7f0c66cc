// The compiler allows functions without a body (CgoCall) in packages that have an
// assembly file.
