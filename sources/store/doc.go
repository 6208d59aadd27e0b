// Package store keeps the bytes of sources in a directory, by digest. It is a cache and never the truth: anything in it
// can be fetched again by its digest, so a lost or broken file is only a reason to fetch.
//
//	Put: upstream -> tmp/… -> hash, compare, fsync -> rename -> blobs/<hex>
//	Open: blobs/<hex> -> hash once -> reader;  broken -> removed, IsMissing -> Put again
//
// A scenario: a power cut leaves half a file behind. Its name is in tmp, so it is gone after the next start; had it
// been renamed, its hash would not match, and the next Open would report it missing.
package store
