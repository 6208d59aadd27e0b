package worker

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// A panic is counted and logged once, with its stack, and quotes nothing, in every part of the child.
func TestAPanicIsAnErrorWithoutTheInput(t *testing.T) {
	var faults []guard.Fault
	guard.OnFault(func(f guard.Fault) { faults = append(faults, f) })
	defer guard.OnFault(func(guard.Fault) {})
	const secret = "secret-in-the-panic\ngoroutine 7 [running]:\nsecret-in-the-panic(0x1)\n\tsecret-in-the-panic.go:1\n"
	p := testPool(t)
	for job, says := range map[string]struct{ text, stack string }{
		"panic":             {"the input makes the renderer panic", "worker.init.func"},
		"panic elsewhere":   {"the input makes the renderer panic", "worker.panicking"},
		"panic and recover": {"templates/a.yaml: the library panics", "worker.init.func"},
	} {
		t.Run(job, func(t *testing.T) {
			faults = nil
			_, err := run(p, job, secret)
			var panicked *PanicError
			if !errors.As(err, &panicked) || err.Error() != says.text || panicked.Reason() != v1beta1.InternalErrorReason {
				t.Fatalf("error = %v", err)
			}
			if len(faults) != 1 || !strings.Contains(string(faults[0].Stack), says.stack) {
				t.Errorf("faults %+v", faults)
			}
			if text := fmt.Sprintf("%v %+v %+v %s", err, panicked, faults, panicked.Stack()); strings.Contains(text,
				"secret-in-the-panic") {
				t.Errorf("it quotes the input: %s", text)
			}
			if out, err := run(p, "echo", "next"); out != "next" || err != nil {
				t.Errorf("the next task: output %q, error %v", out, err)
			}
		})
	}
}

// Of what a child reports before it ends, only what cannot be of the input is passed on.
func TestADeadChildQuotesNothing(t *testing.T) {
	p := testPool(t)
	for report, want := range map[string]string{
		"secret-in-the-report":                       "exit status 3",
		"a library warns\nfatal error: deadlock!\nx": "exit status 3: fatal error: deadlock!",
	} {
		_, err := run(p, "die", report)
		var died *DiedError
		if !errors.As(err, &died) || died.How != want {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}
