package worker

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"
)

// A child that sends more than it may is not believed.
func TestTheParentBoundsTheOutput(t *testing.T) {
	p := testPool(t)
	var limit *LimitError
	child, err := p.start(p.bounds.small())
	if err != nil {
		t.Fatal(err)
	}
	child.bounds.Output = 1000 // the child has the other bound
	_, err = child.run(t.Context(), Task{Job: "echo", Input: make([]byte, 1001)})
	if !errors.As(err, &limit) || limit.Limit != LimitOutput || child.cmd.ProcessState == nil {
		t.Errorf("error = %v, child %v", err, child.cmd.ProcessState)
	}
}

// A task that takes long leaves the processors to others, and its child is not used for another one.
func TestALongTaskHasALowPriority(t *testing.T) {
	p := testPool(t)
	p.bounds.Deadline = 10 * patience
	child, err := p.start(p.bounds)
	if err != nil {
		t.Fatal(err)
	}
	defer child.end()
	asked := make(chan int)
	task := Task{Job: "ask", Host: func(ctx context.Context, _ []byte) ([]byte, error) {
		for begin := time.Now(); ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			has, err := syscall.Getpriority(syscall.PRIO_PROCESS, child.cmd.Process.Pid)
			if err == nil && has == 20-low && time.Since(begin) > patience { // the test itself may have a low priority
				break
			}
		}
		close(asked)
		return nil, ctx.Err()
	}}
	if _, err := child.run(t.Context(), task); err != nil {
		t.Fatalf("error = %v, want a child with priority %d before the deadline", err, low)
	}
	<-asked
	if child.alive() {
		t.Error("a child with a low priority is used again")
	}
}

// A child is replaced after many tasks, so that what leaks in it stays small.
func TestAChildIsReplacedAfterManyTasks(t *testing.T) {
	p := testPool(t)
	for range maxTasks + 1 {
		if _, err := run(p, "echo", ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.idle) != 1 || p.idle[0].tasks != 1 {
		t.Errorf("%d children are idle, the first had %d tasks", len(p.idle), p.idle[0].tasks)
	}
}
