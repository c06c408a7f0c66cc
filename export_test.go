package greenlet

// SomeForgotten says whether the collector has found forgotten greenlets of the
// calling goroutine's tree, for tests.
func SomeForgotten() bool {
	t := currentTree()
	return t != nil && t.forgotten.Load() != nil
}
