package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HookOfAnnotation names the Helm release that a hook object belongs to: the namespace of its records, "/", its
// name. Helm leaves hooks without a mark of their release.
const HookOfAnnotation = "fairlead.dev/hook-of"

// HookOf is the value of HookOfAnnotation for a release.
func HookOf(storageNamespace, release string) string { return storageNamespace + "/" + release }

// ForceAnnotation on an object of a release or a Kustomization, with the value "enabled", has it deleted and created
// again when a field is to change that cannot be changed. It holds for every kind: with a PersistentVolumeClaim goes its
// data, with a definition or a Namespace everything in it.
const ForceAnnotation = "fairlead.dev/force"

// Forces reports whether an object has ForceAnnotation.
func Forces(object metav1.Object) bool { return object.GetAnnotations()[ForceAnnotation] == Enabled }
