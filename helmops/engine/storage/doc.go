// Package storage keeps Helm release records in Secrets, in the format of Helm 3, so that the helm command reads and
// writes the same records.
//
//	metadata watch ─► index ─┐
//	own writes ─────► index ─┼─► History   facts, no request
//	GET, only what is asked ─┴─► Driver    whole releases
//
// What Fairlead knows beyond Helm, like the exact chart and that Fairlead was the writer, is kept in one annotation of
// the Secret. Another Helm client drops it when it writes the record, which is how its write is recognised; one that
// keeps it is recognised by the digest of the content in it.
package storage
