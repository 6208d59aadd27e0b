package guard

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// seen collects the faults of one test. The reporter is one for the process, so these tests do not run in parallel.
func seen(t *testing.T) func() []Fault {
	t.Helper()
	var mu sync.Mutex
	var faults []Fault
	OnFault(func(f Fault) {
		mu.Lock()
		defer mu.Unlock()
		faults = append(faults, f)
	})
	t.Cleanup(func() { reporter.Store(nil) })
	return func() []Fault {
		mu.Lock()
		defer mu.Unlock()
		return faults
	}
}

type manifest string

func TestAPanicBecomesAnErrorThatDoesNotQuoteItsValue(t *testing.T) {
	faults := seen(t)

	err := Do("building objects", func() error { panic(manifest("password: hunter2")) })

	var caught *PanicError
	if !errors.As(err, &caught) || caught.Reason() != v1beta1.InternalErrorReason {
		t.Fatalf("error = %v", err)
	}
	if !strings.Contains(err.Error(), "building objects") {
		t.Errorf("%q does not say what was done", err)
	}
	if len(faults()) != 1 {
		t.Fatalf("%d faults were reported, want 1", len(faults()))
	}
	fault := faults()[0]
	if fault.Where != "building objects" || fault.Type != "guard.manifest" {
		t.Errorf("reported %q of type %q", fault.Where, fault.Type)
	}
	if !strings.Contains(string(fault.Stack), "guard_test.go") {
		t.Errorf("the stack does not lead to the panic: %s", fault.Stack)
	}
	for _, text := range []string{err.Error(), fault.Type, string(fault.Stack)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the value of the panic is quoted: %s", text)
		}
	}
}

func TestWithoutAPanicTheErrorIsThatOfTheWork(t *testing.T) {
	faults := seen(t)
	sentinel := errors.New("as arranged")
	if err := Do("testing", func() error { return sentinel }); !errors.Is(err, sentinel) {
		t.Errorf("error = %v", err)
	}
	if err := Do("testing", func() error { return nil }); err != nil {
		t.Errorf("error = %v", err)
	}
	if len(faults()) != 0 {
		t.Errorf("reported %v", faults())
	}
}

func TestAGoroutineThatPanicsTellsWhoWaits(t *testing.T) {
	faults := seen(t)
	ended := make(chan error, 1)
	GoOr("watching", func() { panic("boom") }, func(err error) { ended <- err })
	var caught *PanicError
	if err := <-ended; !errors.As(err, &caught) {
		t.Errorf("error = %v", err)
	}
	if len(faults()) != 1 {
		t.Errorf("%d faults were reported, want 1", len(faults()))
	}
}

func TestAPanicInTheHandlerOfAFaultIsCaughtToo(t *testing.T) {
	faults := make(chan Fault, 2)
	OnFault(func(f Fault) { faults <- f })
	t.Cleanup(func() { reporter.Store(nil) })
	GoOr("watching", func() { panic("first") }, func(error) { panic("second") })
	<-faults
	<-faults
}

type carried struct{ stack string }

func (c carried) Stack() []byte { return []byte(c.stack) }

func TestAPanicThatWasCarriedKeepsItsStack(t *testing.T) {
	faults := seen(t)
	_ = Do("fetching", func() error { panic(carried{"where it began"}) })
	if got := string(faults()[0].Stack); got != "where it began" {
		t.Errorf("stack = %q", got)
	}
}
