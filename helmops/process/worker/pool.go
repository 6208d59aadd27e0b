package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/guard"
)

const (
	// children is how many tasks are worked on at the same time. A rendering takes milliseconds; more children cost
	// memory.
	children = 2
	// idle is how long a child without a task stays.
	idle = time.Minute
)

// Pool is a number of child processes. The zero value is not usable.
type Pool struct {
	command []string
	bounds  Bounds
	// small are the slots of first tries, and large that of what needs much memory. A namespace has at most one of each,
	// so that others find one free.
	small, large *fair.Shares

	mu     sync.Mutex
	idle   []*process
	timers map[*process]*time.Timer
	closed bool
}

// NewPool returns a pool whose children are started with command when there are tasks, with the default bounds. Close
// ends them.
func NewPool(command []string) *Pool { return NewBoundedPool(command, Bounds{}) }

// NewBoundedPool is NewPool with other bounds; those that are zero have their defaults.
func NewBoundedPool(command []string, b Bounds) *Pool {
	return &Pool{
		command: command, bounds: b.complete(), small: fair.New(children, children-1), large: fair.New(1, 1),
		timers: map[*process]*time.Timer{},
	}
}

// Run has a child work on a task. It waits for a slot of the namespace first. Errors are those of the job, as
// *JobError, a *LimitError, a *PanicError, a *DiedError, ErrClosed, or that of ctx. Nothing is left of a task when Run
// returns.
func (p *Pool) Run(ctx context.Context, t Task) ([]byte, error) {
	output, err := p.sized(ctx, t)
	var panicked *PanicError
	if errors.As(err, &panicked) {
		_ = guard.Caught("rendering", panicked) // counts and logs it
	}
	return output, err
}

// sized tries a task with little memory, and again with much when that was not enough.
func (p *Pool) sized(ctx context.Context, t Task) ([]byte, error) {
	if !t.Large || p.bounds.small() == p.bounds {
		output, err := p.try(ctx, t, p.small, p.bounds.small())
		var limit *LimitError
		if !errors.As(err, &limit) || limit.Limit != LimitMemory || p.bounds.small() == p.bounds {
			return output, err
		}
	}
	return p.try(ctx, t, p.large, p.bounds)
}

func (p *Pool) try(ctx context.Context, t Task, from *fair.Shares, b Bounds) ([]byte, error) {
	slot, err := from.Take(ctx, t.Namespace)
	if err != nil {
		return nil, err
	}

	defer slot.Close()
	child, used, err := p.child(b)
	if err != nil {
		return nil, err
	}

	output, err := child.run(ctx, t)
	p.put(child)
	if !used || !doubtful(err) {
		return output, err
	}

	if child, err = p.start(b); err != nil {
		return nil, err
	}

	defer p.put(child)
	return child.run(ctx, t)
}

// doubtful reports whether a child may have failed for what earlier tasks left in it, or because it had ended before.
// Such a task gets a child of its own: the idle ones are used, too.
func doubtful(err error) bool {
	var limit *LimitError
	var died *DiedError
	return errors.As(err, &died) || errors.As(err, &limit) && limit.Limit == LimitMemory
}

// child returns one that is idle and has the bounds, or starts one.
func (p *Pool) child(b Bounds) (child *process, used bool, err error) {
	if child = p.takeIdle(b); child != nil {
		return child, true, nil
	}
	child, err = p.start(b)
	return child, false, err
}

// takeIdle returns an idle child that has the bounds, nil when there is none.
func (p *Pool) takeIdle(b Bounds) *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		child := p.idle[i]
		if child.bounds != b {
			continue
		}

		p.idle = append(p.idle[:i], p.idle[i+1:]...)
		p.timers[child].Stop()
		delete(p.timers, child)
		return child
	}

	return nil
}

// start starts a child, unless the pool was closed.
func (p *Pool) start(b Bounds) (*process, error) {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	return start(p.command, b)
}

// put keeps a child for the next task, or ends it.
func (p *Pool) put(child *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !child.alive() || child.bounds.Memory > smallMemory {
		child.end()
		return
	}
	p.idle = append(p.idle, child)
	p.timers[child] = time.AfterFunc(idle, func() { p.retire(child) })
}

// retire ends a child that has been idle for long.
func (p *Pool) retire(child *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.idle {
		if other == child {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			delete(p.timers, child)
			child.end()
			return
		}
	}
}

// Close ends the children that are idle, and the others with their tasks.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, child := range p.idle {
		p.timers[child].Stop()
		child.end()
	}
	p.idle = nil
}
