// Package helmrepo reads Helm repositories: an index.yaml over HTTP and the archives it names.
//
//	FetchIndex --(If-None-Match)--> 304: nothing to do
//	           \-> 200 -> store -> ParseIndex -> Index.Versions -> sources.Select -> FetchChart -> store
//
// A scenario: a repository lists ten thousand versions in 25 MB. The index is fetched only when it has changed, is read
// in pieces of one version each, and what stays in memory is a table of a few megabytes that every release shares.
package helmrepo
