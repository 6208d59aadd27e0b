// Package guard keeps a panic from ending the process. Every goroutine of the controller is started through it, or says
// in test/layers why it cannot panic: a panic that reaches the top of a goroutine ends the work of all tenants, and
// comes back with the next start as long as the input that causes it is there.
//
// The value of a panic is never passed on, because it may quote a manifest: its type and the stack are enough to find
// the fault.
package guard

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Fault describes a panic that was caught.
type Fault struct {
	// Where names the work that panicked. It is one of a few constant texts and can be a label of a metric.
	Where string
	// Type is the Go type of the value of the panic.
	Type string
	// Stack is the stack of the goroutine that panicked. It holds no values.
	Stack []byte
}

// PanicError is what a panic becomes. Trying again can help, because the input may have changed by then.
type PanicError struct {
	// Where names the work that panicked.
	Where string
}

// Error implements error.
func (e *PanicError) Error() string {
	return fmt.Sprintf("controller fault (a panic) while %s; the log of the controller has the stack, please report it",
		e.Where)
}

// Reason is the reason for a condition.
func (e *PanicError) Reason() string { return v1beta1.InternalErrorReason }

// reporter is called with every fault.
var reporter atomic.Pointer[func(Fault)]

// OnFault sets the function that is called with every fault, in the goroutine that panicked. It must not block. Without
// one, faults are not reported.
func OnFault(report func(Fault)) { reporter.Store(&report) }

// carrier is a panic value that was carried from another goroutine together with its stack.
type carrier interface{ Stack() []byte }

// Caught reports what recover has returned, and makes an error of it; nil when there was no panic. It is for deferred
// functions that do more than Do.
func Caught(where string, recovered any) *PanicError {
	if recovered == nil {
		return nil
	}

	fault := Fault{Where: where, Type: fmt.Sprintf("%T", recovered)}
	if carried, ok := recovered.(carrier); ok {
		fault.Stack = carried.Stack()
	} else {
		fault.Stack = debug.Stack()
	}

	if report := reporter.Load(); report != nil {
		(*report)(fault)
	}

	return &PanicError{Where: where}
}

// Do runs work, and returns its error or the *PanicError that its panic became.
func Do(where string, work func() error) (err error) {
	defer func() {
		if caught := Caught(where, recover()); caught != nil {
			err = caught
		}
	}()
	return work()
}

// Run runs work. A panic ends it early.
func Run(where string, work func()) {
	_ = Do(where, func() error { // a panic was reported, and there is no other error
		work()
		return nil
	})
}

// Go runs work in a goroutine of its own. A panic ends only that. It is for work that is not waited for: a caller that
// waits for an end that a panic prevents waits forever.
func Go(where string, work func()) {
	go Run(where, work)
}

// GoOr runs work in a goroutine of its own, and calls fault with what a panic became. It is for work that a caller
// waits for.
func GoOr(where string, work func(), fault func(error)) {
	go func() {
		err := Do(where, func() error {
			work()
			return nil
		})
		if err != nil {
			Run(where, func() { fault(err) })
		}
	}()
}

// BlockUntilExit never returns. It is called only while the process is stopping, by a goroutine whose caller would
// record the stop as the failure of an action: Helm marks a release failed when its action returns an error, whatever
// the error is. The goroutine ends with the process, and the next process finishes the action from its pending record.
// A lock or a slot that the caller holds is held until then.
func BlockUntilExit() {
	select {}
}
