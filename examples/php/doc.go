// Package php embeds PHP 8, and lets its fibers call Go. Go functions that PHP calls look
// blocking there (http_get, sleep_ms, query) and suspend the PHP fiber only, in the midst of
// their Go frames, while goroutines do the work.
//
// PHP switches fibers on C stacks of its own, and Go takes that for corrupted memory. Three
// observers of PHP's announce each switch to Go (fiber.c, csrc/fiber.h); nothing else is needed.
//
// It has something in it with the build tag greenlet_php, and then needs PHP as a library
// (in Debian libphp-embed and php-dev): make php.
package php
