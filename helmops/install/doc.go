// Package install puts Fairlead into a cluster, looks whether it can work there, and takes it out again.
//
//	config (embedded) ─► Options.Files ─► kustomize build ─► rollout ─► Await
//
// What is installed is owned by the Kustomization fairlead-system/fairlead, whether there is one or not: when the cluster comes to
// follow a repository with the same manifests, it finds them as they are and writes nothing.
//
// What is installed is applied by the engine of Kustomizations and not by github.com/fluxcd/pkg/ssa, although requests do not count
// here. The engine tries all objects before the first is written, also those whose namespace or kind comes with them; the library has
// to write these first, so a refusal leaves an installation half made. The engine also removes fields that exclude what is applied,
// such as the rollingUpdate of a Deployment whose strategy becomes Recreate, which the library reports as an error. With the library the
// command grows by 0.9 MB and six modules.
package install
