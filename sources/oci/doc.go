// Package oci reads charts from OCI registries.
//
//	Tags ----> sources.Select --+
//	a tag ----------------------+-> Resolve: HEAD -> manifest digest -> Chart -> FetchArchive -> store
//
// A scenario: a release follows ">=6.0.0" of oci://ghcr.io/team/charts/podinfo. Each interval costs one tag list and
// one HEAD. Only when the digest behind the chosen tag is new, the manifest and the chart's config are read, and the
// layer with the chart's media type, at any position, is fetched and compared with its digest.
package oci
