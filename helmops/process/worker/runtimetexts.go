package worker

import (
	"slices"
	"strings"
)

// Texts of the Go runtime, version 1.26, with which it says on stderr why a process ends: it has no exit code of its
// own for them. TestBounds and TestAPanicIsAnErrorWithoutTheInput have real children end like that.
const (
	// stackText is of newstack in runtime/stack.go.
	stackText = "goroutine stack exceeds"
	// fatalText begins the line of fatalthrow and fatalpanic in runtime/panic.go.
	fatalText = "fatal error: "
	// panicText begins the line of a panic that is not recovered: printpanics in runtime/panic.go.
	panicText = "panic: "
)

// memoryTexts are of runtime/malloc.go, mem_linux.go and mcache.go, and of os/exec and thread creation where the
// address space is used up.
var memoryTexts = []string{"out of memory", "cannot allocate", "failed to allocate"}

// isOutOfMemory reports whether a report of a process says that it could not get memory.
func isOutOfMemory(report string) bool {
	return slices.ContainsFunc(memoryTexts, func(part string) bool { return strings.Contains(report, part) })
}

// isPanic reports whether a process ended by a panic that nothing recovered.
func isPanic(report string) bool { return strings.Contains("\n"+report, "\n"+panicText) }
