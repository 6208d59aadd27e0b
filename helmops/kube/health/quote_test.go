package health

import (
	"strings"
	"testing"
)

// What another client writes into the status of an object can be a secret. It is in Quote, where who shows it has to
// mask it, and never in Message, whatever kind of object it is and whatever is wrong with it.
func TestMessagesHoldNoTextOfTheStatus(t *testing.T) {
	t.Parallel()
	const secret = "hunter2 of team-a"
	const widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a, generation: 1}\n"
	condition := func(kind, status, reason string) string {
		return "status: {conditions: [{type: Other, status: 'True', message: other}, " +
			"{type: " + kind + ", status: '" + status + "', reason: " + reason + ", message: 'no login with " + secret + "'}]}\n"
	}
	const job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n"
	const crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\n"
	for _, tt := range []struct{ name, object, message string }{
		{
			"Ready is False", widget + condition("Ready", "False", "LoginFailed"),
			"condition Ready is False, reason LoginFailed",
		},
		{
			"Ready is Unknown", widget + condition("Ready", "Unknown", "LoginFailed"),
			"condition Ready is Unknown, reason LoginFailed",
		},
		{"Stalled", widget + condition("Stalled", "True", "LoginFailed"), "condition Stalled is True, reason LoginFailed"},
		{"Reconciling", widget + condition("Reconciling", "True", "Login"), "condition Reconciling is True, reason Login"},
		{
			"a reason that is a text", widget + condition("Ready", "False", "'login with "+secret+"'"),
			"condition Ready is False",
		},
		{
			"a reason that is too long", widget + condition("Ready", "False", strings.Repeat("a", maxReason+1)),
			"condition Ready is False",
		},
		{"a Job that failed", job + condition("Failed", "True", "BackoffLimitExceeded"), "BackoffLimitExceeded"},
		{"a Job that failed for a text", job + condition("Failed", "True", "'"+secret+"'"), "the Job has failed"},
		{
			"a definition with names of others", crd + condition("NamesAccepted", "False", "Taken"),
			"condition NamesAccepted is False, reason Taken",
		},
		{
			"a definition that is not served", crd + condition("Established", "False", "Broken"),
			"condition Established is False, reason Broken",
		},
		{
			"a status of a wrong type", widget + "status: {observedGeneration: '" + secret + "'}\n", "its status cannot be read",
		},
		{
			"an unknown phase", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nstatus: {phase: '" + secret + "'}\n",
			"its status cannot be read",
		},
	} {
		got := Assess(parse(t, tt.object), true)
		if got.Message != tt.message || !strings.Contains(got.Full(), "hunter2") && !strings.Contains(tt.name, "too long") {
			t.Errorf("%s: message %q, quote %q", tt.name, got.Message, got.Quote)
		}
		if !strings.HasPrefix(got.Full(), tt.message+": ") {
			t.Errorf("%s: all of it is %q", tt.name, got.Full())
		}
	}
}

func TestAConditionWithoutAMessageIsNamed(t *testing.T) {
	t.Parallel()
	got := Assess(
		parse(t, "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nstatus: {conditions: [{type: Ready, status: 'False', reason: Broken}]}\n"), true)
	if got.Full() != "condition Ready is False, reason Broken" {
		t.Errorf("it is %q", got.Full())
	}
}
