//go:build unix

package worker

import "syscall"

// low is the priority of a child that takes long: it gets a thirtieth of what others get while they want all.
const low = 15

// ownGroup starts a child in a process group of its own: signals of a terminal are for the parent, which ends its
// children.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// slowDown lets a child run at a low priority. When that is refused, it keeps the one that it has.
func slowDown(pid int) { _ = syscall.Setpriority(syscall.PRIO_PGRP, pid, low) }
