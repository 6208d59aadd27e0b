// Package records keeps Helm release records in Secrets, in the format of Helm 3, so that the helm command reads and
// writes the same records.
//
// What Fairlead knows beyond Helm, the exact chart and that Fairlead was the writer, is kept in annotations of the Secret.
// Another Helm client drops them when it writes the record, which is how its write is recognised.
package records
