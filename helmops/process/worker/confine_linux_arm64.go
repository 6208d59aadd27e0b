package worker

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// allowedHere are allowed system calls that other processors do not have.
var allowedHere []uint32
