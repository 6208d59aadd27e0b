//go:build !linux

package upstream

import "syscall"

// endWithParent is for systems that cannot end a child with its parent.
func endWithParent() *syscall.SysProcAttr { return nil }
