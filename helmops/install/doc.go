// Package install puts Fairlead into a cluster, looks whether it can work there, and takes it out again.
//
//	config (embedded) ─► Options.Files ─► kustomize build ─► rollout ─► Await
//
// What is installed is owned by the Kustomization fairlead-system/fairlead, whether there is one or not: when the cluster comes to
// follow a repository with the same manifests, it finds them as they are and writes nothing.
package install
