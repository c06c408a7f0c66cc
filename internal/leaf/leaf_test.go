package leaf_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-greenlet/greenlet/internal/leaf"
)

type errs []error

func (errs) Error() string     { return "errs" }
func (e errs) Unwrap() []error { return e }

type says struct{ error }

func (s says) Error() string        { return "says" }
func (s says) Unwrap() error        { return nil }
func (s says) Is(target error) bool { return target == s.error }

func TestAll(t *testing.T) {
	exit, other := errors.New("exit"), errors.New("other")
	for _, err := range []error{
		exit, fmt.Errorf("wrapped: %w", exit), errors.Join(exit, nil, exit), errors.Join(exit, fmt.Errorf("%w %w", exit, exit)),
		errs{nil, exit}, says{exit}, errors.Join(exit, says{exit}),
	} {
		assert.True(t, leaf.All(err, exit), "%v", err)
		assert.True(t, leaf.All(errors.Join(err, io.EOF), io.EOF, exit), "%v", err)
	}
	for _, err := range []error{
		nil, other, errors.Join(exit, other), errors.Join(other, exit), fmt.Errorf("%w %w", exit, other),
		fmt.Errorf("wrapped: %w", errors.Join(errors.Join(exit, other), exit)), errs{}, errs{nil}, says{other}, says{nil},
	} {
		assert.False(t, leaf.All(err, exit), "%v", err)
	}
}
