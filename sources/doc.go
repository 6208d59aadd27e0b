// Package sources holds what every kind of source agrees on: how a failure says its reason, how one version is chosen
// out of many, and how the credentials in a Secret are read. It is pure: no client, no clock, no logger. The backends
// are below it and speak these words.
//
//	         sources: Error, Select, Credentials
//	            ^          ^          ^
//	helmrepo ---+---- oci -+--- git --+        Resolve: what is there?   Fetch: the bytes
//	    \             |          /
//	     +------ transport -----+              one guarded HTTP client
//
//	store                                      the bytes by digest, a cache and never the truth
//
// A scenario: a release wants podinfo in ">=6.0.0 <7.0.0". The backend lists what is published, [Select] chooses
// 6.11.2, the backend names its digest, and store.Put takes the bytes only when they have that digest. When the cache
// loses them, they are fetched again by the same digest.
package sources
