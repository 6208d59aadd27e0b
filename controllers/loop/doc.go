// Package loop is the shell that every controller shares: read the object, keep its finalizer, call the handler, write
// the status once when it changed, come back when asked to. Handlers decide; they never block a worker. What takes time
// runs as a Task, and the object is requeued when the task has ended:
//
//	event ─► worker ─► Handler.Reconcile ─┬─ status patch, only when something changed
//	           ▲                          └─ Tasks.Start ─► goroutine ─┐
//	           └───────────────── Wake ◄──────────────────────────────┘
package loop
