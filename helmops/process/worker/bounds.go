package worker

import (
	"cmp"
	"fmt"
	"strconv"
	"time"
)

// The bounds of a task. The first try of a task has little memory, which is enough for nearly all; one that exceeds it
// is tried once more in the only child that has much. So the processes of a pool stay below Children*smallMemory +
// Memory together, for any input.
const (
	DefaultMemory    = 512 << 20
	smallMemory      = 128 << 20
	DefaultProcessor = 10 * time.Second
	DefaultStack     = 64 << 20
	DefaultOutput    = 32 << 20
	DefaultDeadline  = 5 * time.Minute
)

// usedUp is the exit code of a child whose task has used up its processor time.
const usedUp = 24

// complete has the defaults for bounds that are zero.
func (b Bounds) complete() Bounds {
	return Bounds{
		Memory:    cmp.Or(b.Memory, DefaultMemory),
		Processor: cmp.Or(b.Processor, DefaultProcessor),
		Stack:     cmp.Or(b.Stack, DefaultStack),
		Output:    cmp.Or(b.Output, DefaultOutput),
		Deadline:  cmp.Or(b.Deadline, DefaultDeadline),
	}
}

// small are the bounds of the first try.
func (b Bounds) small() Bounds {
	b.Memory = min(b.Memory, smallMemory)
	return b
}

// args are the bounds that a child has to know.
func (b Bounds) args() []string {
	return []string{
		strconv.FormatInt(b.Memory, 10), b.Processor.String(), strconv.FormatInt(b.Stack, 10),
		strconv.FormatInt(b.Output, 10),
	}
}

func parseBounds(args []string) (b Bounds, err error) {
	if len(args) != len(Bounds{}.args()) {
		return b, fmt.Errorf("it is started by the controller and the command line only; want %d arguments",
			len(Bounds{}.args()))
	}
	if b.Memory, err = strconv.ParseInt(args[0], 10, 64); err != nil {
		return b, err
	}
	if b.Processor, err = time.ParseDuration(args[1]); err != nil {
		return b, err
	}
	if b.Stack, err = strconv.ParseInt(args[2], 10, 64); err != nil {
		return b, err
	}

	b.Output, err = strconv.ParseInt(args[3], 10, 64)
	return b, err
}

// exceeded is the error for a bound.
func (b Bounds) exceeded(limit, file string) error {
	bound := map[string]string{
		LimitMemory:    fmt.Sprintf("%d MiB", b.Memory>>20),
		LimitProcessor: b.Processor.String(),
		LimitStack:     fmt.Sprintf("%d MiB of stack", b.Stack>>20),
		LimitOutput:    fmt.Sprintf("%d MiB", b.Output>>20),
		LimitDeadline:  b.Deadline.String(),
	}[limit]
	return &LimitError{Limit: limit, Bound: bound, File: file}
}
