// Package bucket reads buckets of servers that speak the S3 protocol.
//
//	Resolve: pages of the list -> Revision sha256:… -> Fetch: .sourceignore, then what is not ignored -> tar.gz -> store
//
// A scenario: a build uploads rendered manifests. A poll lists the bucket and computes a digest over names and ETags;
// while it is the same, that one list is all that is asked. When an object changes, all that is not ignored is
// downloaded, each object with the ETag it was listed with: one that is replaced in between fails the fetch, and the
// next poll lists again. So an archive holds what the bucket held at one time, as far as its server reports that.
//
// Keys are paths in the archive, with the prefix. Nothing a server says is repeated in a message but the code of its
// error: servers answer a wrong signature with everything they know about it.
package bucket
