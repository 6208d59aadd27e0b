// Package plan decides what happens next to a release. It knows no client, no clock and no logger: everything it looks at
// comes in as a value, and what it answers is a value with a reason.
//
//	Desired  ─┐
//	Observed ─┼─ Decide ─► Plan{Step, Reason, Message, After}
//	now      ─┘
//
// A fact that costs something to find out is asked for with the step Need; the runner fills it in and asks again. So the
// life of a release reads as a list of answers, for example of one whose first upgrade fails:
//
//	need history · install · none · upgrade · wait 30s · upgrade · none
package plan
