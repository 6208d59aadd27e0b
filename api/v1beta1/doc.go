// Package v1beta1 is the public vocabulary of Fairlead: its kinds, their status, and the names of conditions,
// reasons and annotations.
//
// It holds types and their defaults, no behaviour and no client, and imports nothing but apimachinery.
//
//	GitRepository ──┐
//	Bucket ─────────┤
//	HelmRepository ─┼─ chart ──────────┐
//	                └─ HelmChart ──┐   ├─► HelmRelease
//	OCIRepository ──── chartRef ───┴───┘
//
// A field exists here only when there is code that makes it work. Where the Flux API (HelmRelease v2, sources v1) has
// the field, ours has the same name, type and meaning, so that a manifest moves over by changing its apiVersion.
//
// +kubebuilder:object:generate=true
// +groupName=fairlead.dev
package v1beta1
