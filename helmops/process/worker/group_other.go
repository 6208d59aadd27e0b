//go:build !unix

package worker

import "syscall"

// ownGroup starts a child in a process group of its own, where the system has process groups.
func ownGroup() *syscall.SysProcAttr { return nil }

// slowDown changes nothing: the child keeps its priority.
func slowDown(int) {}
