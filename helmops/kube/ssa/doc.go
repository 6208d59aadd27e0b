// Package ssa is how objects are sent to the API server by server-side apply, and what its answers mean. The writers
// of Helm releases (helmops/engine/kubeclient) and of Kustomizations (helmops/kustomize/apply) share it; they decide
// what is written, when, and what happens next.
//
//	manifest ─► ApplyBody ─► Writer.Apply ─► Requests.Patch ─► API server
//	                             │                                 │
//	                             │   fields owned in another version of the kind: RestatePatch, then again
//	                             │   fields that exclude what is applied:         Writer.ClaimLeftovers
//	                             └──────────────────────────────────── refused: ObjectError, InvalidObjectsError
//
// Requests do not go through github.com/fluxcd/pkg/ssa, on purpose. For each object its ResourceManager.Apply sends a
// GET and a dry run, and the apply itself when the dry run differs: an object that has not changed costs two
// requests, one that has changed three. Fairlead knows from its watches (helmops/kube/tracker) whether an object is
// as it was left. Unchanged, it costs no request; changed, it costs one apply in a release, and a dry run and an
// apply in a Kustomization. The 500 Kustomizations of 4 objects of docs/benchmark.md are polled every 2 s without a
// request; with the library each reconcile of all of them would send 4,000, for which the API server and etcd need
// about 10 s of processor time (1.4 ms for a GET of a ConfigMap, 3.4 ms for a dry run). TestRequestsOfAnObject counts
// the requests of this package, TestSteadyReleasesCostNothing those of releases that do not change. helmops/install,
// which runs once, uses the library, and says what that costs; no other package may import it.
package ssa
