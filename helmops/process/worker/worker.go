// Package worker runs work on untrusted input in child processes that can be killed.
//
//	Pool.Run ─► slot of the namespace ─► child process ─► Job ─► answer
//	                                        │  ▲
//	                                        └──┘ Host answers what the job asks for
//
// A child is this program again, started with a hidden verb. It has no environment, no network, no files and no
// programs: a seccomp filter admits what the Go runtime needs and refuses the rest. Its memory, processor time, stack
// and output are bounded, and the parent kills it when it exceeds its deadline. What a child holds ends with it.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Job works on one input and returns its output. It runs in a child process and may ask the host for what it lacks. ctx
// ends with the child. An error reaches the caller of Run as a *JobError.
type Job func(ctx context.Context, input []byte, host Host) ([]byte, error)

// Jobs are the jobs that a child knows, by name.
type Jobs map[string]Job

// Host answers the questions of a job. It runs in the parent. ctx ends when the task does. An error reaches the job as
// text, so it must hold no secret that the job may not see.
type Host func(ctx context.Context, question []byte) ([]byte, error)

// Task is one call of a job.
type Task struct {
	// Job is the name of the job.
	Job string
	// Namespace whose share of the pool the task takes.
	Namespace string
	// Input of the job.
	Input []byte
	// Large skips the first try with little memory, for a task that is known to need more.
	Large bool
	// Host answers the job; nil refuses every question.
	Host Host
}

// Bounds of one task.
type Bounds struct {
	// Memory in bytes that a child may allocate beyond what it needs to start.
	Memory int64
	// Processor is the processor time of a task. The kernel counts whole seconds.
	Processor time.Duration
	// Stack in bytes of a goroutine.
	Stack int64
	// Output bounds the answer of a task, and each question, in bytes.
	Output int64
	// Deadline bounds the time of a task, without the time that it waits for a child.
	Deadline time.Duration
}

// Names of the bounds in a LimitError.
const (
	LimitMemory    = "memory"
	LimitProcessor = "processor time"
	LimitStack     = "nesting"
	LimitOutput    = "output"
	LimitDeadline  = "time"
)

// LimitError says that a task has exceeded a bound.
type LimitError struct {
	// Limit is one of Limit…, and Bound its value in words.
	Limit, Bound string
	// File that was worked on, empty when it is not known.
	File string
}

// Error implements error.
func (e *LimitError) Error() string {
	at := ""
	if e.File != "" {
		at = " by " + e.File
	}
	return fmt.Sprintf("rendering exceeded its bound of %s: %s%s", e.Limit, e.Bound, at)
}

// Reason is the reason for a condition.
func (e *LimitError) Reason() string { return v1beta1.RenderingLimitExceededReason }

// Repeats reports whether the same input exceeds the bound again. How long a task takes depends on the machine, too.
func (e *LimitError) Repeats() bool { return e.Limit != LimitDeadline }

// JobError is an error that a job returned.
type JobError struct {
	// Text of the error.
	Text string
	// Code is that of a job's error that has a method Code; the packages that own jobs give it a meaning. It is empty
	// otherwise.
	Code string
	// Detail is that of a job's error that has a method Detail.
	Detail []byte
	// Asked is the last error of the host, nil when there was none. A job that lacks an answer fails for it.
	Asked error
}

// Error implements error.
func (e *JobError) Error() string { return e.Text }

// Unwrap returns the error of the host.
func (e *JobError) Unwrap() error { return e.Asked }

// PanicError says that a job panicked, or that its process ended with a panic. Another try panics again, unless the
// input differs.
type PanicError struct {
	text, trace string
}

// Panicked makes the error of a panic that a job has recovered from. It is for deferred functions. The text says what
// has panicked, and quotes nothing of what recover has returned, which may hold values of the input.
func Panicked(text string) *PanicError { return &PanicError{text: text, trace: trace()} }

// Stack is the stack of the panic. It holds no value of the input.
func (e *PanicError) Stack() []byte { return []byte(e.trace) }

// Error implements error.
func (e *PanicError) Error() string { return cmp.Or(e.text, "the input makes the renderer panic") }

// Reason is the reason for a condition.
func (e *PanicError) Reason() string { return v1beta1.InternalErrorReason }

// DiedError says that a child ended for no reason that is known.
type DiedError struct {
	// How it ended.
	How string
}

// Error implements error.
func (e *DiedError) Error() string { return "the rendering process ended unexpectedly: " + e.How }

// ErrClosed is returned by a pool that was closed.
var ErrClosed = errors.New("the rendering processes are being stopped")
