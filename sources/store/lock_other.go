//go:build !unix

package store

import (
	"errors"
	"os"
)

// lockDir refuses: the controller runs on Unix only, and a cache without a lock could be shared by accident.
func lockDir(string) (*os.File, error) {
	return nil, errors.New("the cache needs a Unix system")
}
