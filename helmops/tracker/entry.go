package tracker

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/health"
)

const (
	releaseAnnotation          = "meta.helm.sh/release-name"
	releaseNamespaceAnnotation = "meta.helm.sh/release-namespace"

	managedByLabel = "app.kubernetes.io/managed-by"
	managedByHelm  = "Helm"

	// fieldManager applies the objects of releases.
	fieldManager = "helm"
)

// legacyManagers wrote the objects of releases before they were applied: their fields have to be taken over, or what a chart
// drops stays.
var legacyManagers = []string{fieldManager, "helm-controller"}

// What others wrote is kept up to these lengths, in bytes.
const (
	maxAnnotation = 253
	maxMessage    = 1024
)

// Entry is what is kept of one object.
type Entry struct {
	UID types.UID
	// ResourceVersion is zero where the API server does not use numbers.
	ResourceVersion uint64
	Generation      int64
	// Release and ReleaseNamespace are what the object's annotations name as its Helm release.
	Release, ReleaseNamespace string
	// Ownership is a digest of the fields that the manager "helm" owns by having applied them; zero when there are none. It
	// changes whenever somebody changes or takes one of them, and only then.
	Ownership uint64
	// Legacy is set when fields are owned by an update of "helm" or "helm-controller".
	Legacy bool
	// Deleting is set when the object waits for its finalizers.
	Deleting bool
	// Ready is the object's health when a Job only has to be started, Complete when it has to have completed.
	Ready, Complete health.Report
	// Applied is the Ownership right after our own last write, Payload the digest of what was sent with it. Both are zero
	// when this process has not written the object.
	Applied, Payload uint64
}

// Reduce returns what is kept of an object. It is pure; Applied and Payload stay zero.
func Reduce(object *unstructured.Unstructured) Entry {
	entry := Entry{
		UID:             object.GetUID(),
		ResourceVersion: number(object.GetResourceVersion()),
		Generation:      object.GetGeneration(),
		Deleting:        object.GetDeletionTimestamp() != nil,
		Ready:           bounded(health.Assess(object, false)),
		Complete:        bounded(health.Assess(object, true)),
	}
	entry.annotate(object.GetAnnotations())
	managed, _, _ := unstructured.NestedFieldNoCopy(object.Object, "metadata", "managedFields")
	fields, _ := managed.([]any)
	for _, field := range fields {
		field, _ := field.(map[string]any)
		if subresource, _ := field["subresource"].(string); subresource != "" {
			continue
		}
		manager, _ := field["manager"].(string)
		switch operation, _ := field["operation"].(string); {
		case operation == string(metav1.ManagedFieldsOperationApply) && manager == fieldManager:
			entry.Ownership ^= digest(field["fieldsV1"])
		case operation == string(metav1.ManagedFieldsOperationUpdate) && slices.Contains(legacyManagers, manager):
			entry.Legacy = true
		}
	}
	return entry
}

// reduceMetadata is Reduce for an object of which only the metadata is known. It is as healthy as its metadata says.
func reduceMetadata(object *metav1.PartialObjectMetadata) Entry {
	entry := Entry{
		UID:             object.UID,
		ResourceVersion: number(object.ResourceVersion),
		Generation:      object.Generation,
		Deleting:        object.DeletionTimestamp != nil,
		Ready:           healthOfMetadata(object),
	}
	entry.Complete = entry.Ready
	entry.annotate(object.Annotations)
	for _, field := range object.ManagedFields {
		switch {
		case field.Subresource != "":
		case field.Operation == metav1.ManagedFieldsOperationApply && field.Manager == fieldManager:
			var tree any
			if field.FieldsV1 != nil && json.Unmarshal(field.FieldsV1.GetRawBytes(), &tree) == nil {
				entry.Ownership ^= digest(tree)
			}
		case field.Operation == metav1.ManagedFieldsOperationUpdate && slices.Contains(legacyManagers, field.Manager):
			entry.Legacy = true
		}
	}
	return entry
}

func healthOfMetadata(object *metav1.PartialObjectMetadata) health.Report {
	bare := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	bare.SetDeletionTimestamp(object.DeletionTimestamp)
	return health.Assess(bare, false)
}

func (e *Entry) annotate(annotations map[string]string) {
	e.Release = cut(annotations[releaseAnnotation], maxAnnotation)
	e.ReleaseNamespace = cut(annotations[releaseNamespaceAnnotation], maxAnnotation)
}

// digest of a tree of fields, whatever the order in which it was written. It is never zero.
func digest(fields any) uint64 {
	sum := sha256.Sum256(canonical(nil, fields))
	return max(1, binary.BigEndian.Uint64(sum[:]))
}

func canonical(to []byte, node any) []byte {
	fields, ok := node.(map[string]any)
	if !ok {
		return append(to, '-')
	}
	to = append(to, '{')
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		to = canonical(strconv.AppendQuote(to, name), fields[name])
	}
	return append(to, '}')
}

// number reads a resource version; zero when it is none.
func number(resourceVersion string) uint64 {
	n, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func bounded(report health.Report) health.Report {
	report.Message = cut(report.Message, maxMessage)
	return report
}

func cut(text string, length int) string {
	if len(text) <= length {
		return text
	}
	return strings.ToValidUTF8(strings.Clone(text[:length]), "")
}
