//go:build greenlet_php && cgo && linux

package php

// #include "bridge.h"
import "C"

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-greenlet/greenlet/examples/sqlite"
)

// The functions that look blocking to PHP. Each is Go as one writes it.

//export phpHTTPGet
func phpHTTPGet(url *C.char, n C.size_t, a *C.php_answer) C.int {
	u := C.GoStringN(url, C.int(n))
	return answer(a, func() (string, error) {
		return await(func(ctx context.Context) (string, error) {
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
			if err != nil {
				return "", err
			}
			p, err := http.DefaultClient.Do(q)
			if err != nil {
				return "", err
			}
			defer func() { _ = p.Body.Close() }() // it was only read
			text, err := io.ReadAll(p.Body)
			return string(text), err
		})
	})
}

//export phpSleep
func phpSleep(ms C.longlong, a *C.php_answer) C.int {
	return answer(a, func() (string, error) {
		return await(func(ctx context.Context) (string, error) {
			select {
			case <-time.After(time.Duration(ms) * time.Millisecond):
				return "", nil
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		})
	})
}

// database is one in memory, for all scripts.
var database = sync.OnceValues(func() (*sqlite.Shared, error) {
	db, err := sqlite.Open(":memory:")
	if err != nil {
		return nil, err
	}
	return sqlite.Share(db), nil
})

//export phpQuery
func phpQuery(query *C.char, n C.size_t, a *C.php_answer) C.int {
	s := C.GoStringN(query, C.int(n))
	return answer(a, func() (string, error) {
		return await(func(ctx context.Context) (string, error) {
			db, err := database()
			if err != nil {
				return "", err
			}
			rows := [][]*string{}
			if err := db.Query(ctx, s, func(row []sql.NullString) error {
				values := make([]*string, len(row))
				for i, v := range row {
					if v.Valid {
						values[i] = &v.String
					}
				}
				rows = append(rows, values)
				return nil
			}); err != nil {
				return "", err
			}
			text, err := json.Marshal(rows)
			return string(text), err
		})
	})
}
