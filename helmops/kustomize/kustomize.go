// Package kustomize guards the kustomize library, whose schemas are state of the whole process.
package kustomize

import (
	"sync"

	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/openapi/kubernetesapi"
)

var library sync.Mutex

// Exclusive gives the library to the caller alone, until what it returns is called. What is done with it should be
// short, and in memory. The schema that the caller's files may bring, which says how lists are merged, does not stay
// for the next caller.
func Exclusive() (release func()) {
	library.Lock()
	return func() {
		defer library.Unlock()
		if openapi.GetSchemaVersion() != kubernetesapi.DefaultOpenAPI { // reading the default one again takes time
			openapi.ResetOpenAPI()
		}
	}
}
