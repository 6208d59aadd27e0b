// Package config holds the manifests that Fairlead is installed from.
package config

import "embed"

// Files are the directories of manifests; default is the kustomization of all of them.
//
//go:embed crd rbac manager default
var Files embed.FS
