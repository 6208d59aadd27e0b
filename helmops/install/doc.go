// Package install puts Fairlead into a cluster, looks whether it can work there, and takes it out again.
//
//	config (embedded) ─► Options.Files ─► Options.Objects ─► Preview ─► Apply ─► AwaitController
//	                     kustomize build   read, owned        dry run    definitions ► wait ► rest ► unwanted
//
// What is installed is owned by the Kustomization fairlead-system/fairlead, whether there is one or not: when the
// cluster comes to follow a repository with the same manifests, it finds them as they are and writes nothing.
//
// Objects are read, ordered, applied, waited for and deleted by github.com/fluxcd/pkg/ssa, the library of Flux for
// server-side apply, and a preview lists the fields that its jsondiff finds. The command runs once, so its requests
// do not count. With 35 objects, and without the GETs for what an installation with other options may have left:
//
//	                         the library                     the engine of Kustomizations, before
//	first installation       199 requests, 35 of them write  170 requests, 35 of them write, 10 watches
//	nothing differs           75 requests                     75 requests
//	one object differs       161 requests, 1 of them writes  156 requests, 35 of them write, 10 watches
//
// TestRequestsOfAnInstallation counts dry runs and writes. The library makes the command 1.0 MB larger (of 168) and
// brings six modules. No other package imports it: helmops/kube/ssa says why the controllers write on their own.
//
// Four things around it are our own, because the library alone cannot do them:
//
//   - Preview tries all objects before the first is written, by the dry run of helmops/kustomize/apply, which the
//     command diff has, too. The library tries an object only once its namespace and its kind are there, so a refusal
//     would leave an installation half made. It would also take over an object that belongs to another Kustomization
//     or a Helm release.
//   - applyAll claims fields that exclude what is applied, such as the tcpSocket of a probe that becomes an httpGet.
//     The library reports them as an error.
//   - applyStaged applies in two stages, as ApplyAllStaged does, which waits for up to a minute after the user has
//     interrupted the command, and does not wait until discovery lists new kinds.
//   - AwaitController and the waits of a removal report progress and end with their context. The library does not
//     report what it waits for, and its wait for a deletion has no context.
//
// As with all users of the library, an object that differs in nothing but who owns its fields is not written.
//
// Manifests are not normalized before they are sent: the controller sends them as they are in the repository, and both
// have to own the same fields. A Secret is normalized: it is in no repository.
package install
