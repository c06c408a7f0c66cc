// Package throw is the least that C++ can be: one function, which throws. Linked
// statically, the C++ runtime lacks all that nobody asks for.
package throw
