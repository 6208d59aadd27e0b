// Package plan decides what happens next to a release. It knows no client, no clock and no logger: everything it
// looks at comes in as a value, and what it answers is a value with a reason.
//
//	Desired  ─┐
//	Observed ─┼─ Decide ─► Plan{Step, Reason, Message, After}
//	now      ─┘
//
// A fact that has to be looked up is asked for with the step Need; the caller adds it and decides again. So the life
// of a release reads as a list of answers, for example of one whose first upgrade fails:
//
//	need inputs · need history · need objects · install · none · upgrade · wait 30s · upgrade · none
package plan
