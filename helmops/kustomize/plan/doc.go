// Package plan decides what happens next to a Kustomization. It knows no client, no clock and no logger: everything it
// looks at comes in as a value, and what it answers is a value with a reason.
//
//	Desired  ─┐
//	Observed ─┼─ Decide ─► Plan{Step, Reason, Message, After}
//	now      ─┘
//
// A fact that is looked up is asked for with the step Need; the controller fills it in and asks again. So the life of a
// Kustomization reads as a list of answers, for example of one whose first attempt fails:
//
//	need inputs · need objects · need dependencies · apply · wait 5s · apply · none
//
// With spec.sync, new inputs are applied only as their plan says, and may wait for its approval. Drift of what is
// applied is repaired meanwhile:
//
//	preview · wait · apply (repair) · wait · apply (approved) · none
package plan
