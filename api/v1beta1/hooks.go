package v1beta1

// HookOfAnnotation names the Helm release that a hook object belongs to: the namespace of its records, "/", its
// name. Helm leaves hooks without a mark of their release.
const HookOfAnnotation = "fairlead.dev/hook-of"

// HookOf is the value of HookOfAnnotation for a release.
func HookOf(storageNamespace, release string) string { return storageNamespace + "/" + release }
