package loop

import (
	"errors"
	"time"

	"fairlead.dev/fairlead/helmops/status"
)

// Blockable is an object that is looked at again at an interval.
type Blockable interface {
	Object
	GetInterval() time.Duration
}

// Blocker records why nothing can be done for an object. What an error means is found by its methods:
//
//	Pending() bool                              a source has no answer yet; the object is requeued when it has one
//	Reading() (took time.Duration, again bool)  something is being read outside of the worker, likewise; again is set
//	                                            when it had been read before: the conditions stay as they are meanwhile
//	Obstacle() (status.Failure, time.Duration)  something is in the way, and when to requeue; zero is the interval
type Blocker[T Blockable] struct {
	EventRecorder

	Now    func() time.Time
	Jitter Jitter
	// Record sets the conditions of an object with an obstacle, and notes that its requests were answered.
	Record func(object T, obstacle status.Failure, now time.Time)
}

// Blocked records an error, and returns when to look again. What can change the error wakes the object; the pause is
// only for safety. Errors of other kinds are returned.
func (b Blocker[T]) Blocked(object T, err error) (time.Duration, error) {
	var pending interface{ Pending() bool }
	if errors.As(err, &pending) && pending.Pending() {
		if !status.IsReady(object) {
			status.Progressing(object, err.Error(), b.Now())
		}
		return 0, nil
	}

	var reading interface{ Reading() (time.Duration, bool) }
	if errors.As(err, &reading) {
		took, again := reading.Reading()
		if took < Slow {
			return Slow - took, nil
		}
		if !again || status.Message(object) == "" {
			status.Progressing(object, err.Error(), b.Now())
		}

		return 0, nil
	}

	var known interface {
		Obstacle() (status.Failure, time.Duration)
	}
	if !errors.As(err, &known) {
		return 0, err
	}

	obstacle, after := known.Obstacle()
	before := status.Message(object)
	b.Record(object, obstacle, b.Now())
	if status.Message(object) != before {
		b.Emit(object, status.Event{Warning: true, Reason: obstacle.Reason, Message: obstacle.Message})
	}
	if after > 0 {
		return after, nil
	}

	return b.Audit(object), nil
}

// Audit is when to look again although nothing happened.
func (b Blocker[T]) Audit(object T) time.Duration { return b.Jitter.Spread(object.GetInterval()) }
