// Package git reads Git repositories over smart HTTP, and packs charts out of them.
//
//	Ref -> Resolve: one list of references -> Revision main@sha1:… -> Fetch: one shallow pack -> tar.gz -> store
//	                                                    tar.gz + path -> PackChart -> chart archive + its own digest
//
// A scenario: a repository holds twenty charts. A commit changes one of them. The work tree's archive is new, but the
// digest of a chart covers only its own directory, so nineteen charts keep theirs and only one release is upgraded.
//
// The exchange uses go-git's HTTP session directly instead of its Remote: that one finds its transport in a registry
// that is global to the process, where two repositories could not have two HTTP clients.
package git
