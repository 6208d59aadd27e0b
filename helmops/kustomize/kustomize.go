// Package kustomize guards the kustomize library, whose schemas are state of the whole process.
package kustomize

import "sync"

var library sync.Mutex

// Exclusive gives the library to the caller alone, until what it returns is called. What is done with it should be short, and in memory.
func Exclusive() (release func()) {
	library.Lock()
	return library.Unlock
}
