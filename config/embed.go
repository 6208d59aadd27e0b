// Package config holds the manifests that Fairlead is installed from.
package config

import "embed"

// Files are the directories of manifests; default and strict are the kustomizations of all of them, for each mode of
// tenancy.
//
//go:embed crd rbac manager warnings approvals default strict
var Files embed.FS
