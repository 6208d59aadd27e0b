// Package apply brings the objects of Kustomizations into a cluster and keeps them there.
//
//	Set ─► items ─► what differs? ─► validate all ─► claim ─► stages ─► prune ─► Result
//	                     │                │
//	     unchanged: no request            └─ refused: nothing was written
//
//	stages: definitions ► classes ► referents ► rest
//
// Objects are written by server-side apply. What of them is there, healthy and as it was left is known from a tracker,
// so that a set that has not changed costs no request.
package apply
