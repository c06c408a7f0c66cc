//go:build !go1.24 || go1.28 || greenlet_unknown

package gort

// Nothing is known of this version: the constants are there for the compiler. The tag makes
// every version such a one, for tests.
const (
	knownMinor = 0

	gGuard0       = 0
	gPanic        = 0
	gDefer        = 0
	gM            = 0
	gSchedSP      = 0
	gSchedPC      = 0
	gSchedCtxt    = 0
	gSchedLR      = 0
	gSchedBP      = 0
	gSyscallSP    = 0
	gSyscallPC    = 0
	gSyscallBP    = 0
	gStktopSP     = 0
	gStatus       = 0
	gGoid         = 0
	gWaitReason   = 0
	gPanicOnFault = 0
	gThrowSplit   = 0
	gLockedM      = 0
	gStartPC      = 0
	gCgoCtxt      = 0
	gProfiled     = 0
	gCoroarg      = 0
	gBubble       = 0
	gFipsBypass   = 0
	gDitWanted    = 0
	mG0           = 0
	mCurg         = 0
	mIncgo        = 0
	mIsExtra      = 0
	mAccurate     = 0
	mNcgocall     = 0
	mNcgo         = 0
	mLockedG      = 0
	mLocks        = 0
	mTraceBuf0    = 0
	mTraceBuf1    = 0
)
