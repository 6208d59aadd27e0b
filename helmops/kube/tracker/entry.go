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

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
)

const (
	releaseAnnotation          = "meta.helm.sh/release-name"
	releaseNamespaceAnnotation = "meta.helm.sh/release-namespace"

	managedByLabel = "app.kubernetes.io/managed-by"
	managedByHelm  = "Helm"

	// fieldManager applies the objects of releases.
	fieldManager = "helm"
)

// legacyManagers wrote the objects of releases before they were applied: their fields have to be taken over, or what a
// chart drops stays.
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
	// Release and ReleaseNamespace are what the object's metadata names as its owner: its Helm release, or its
	// Kustomization.
	Release, ReleaseNamespace string
	// Ownership is a digest of the fields that the manager of the scope owns by having applied them, or of those that Helm
	// clients own in another way when there are none of these; zero without either. It changes when another client changes
	// or takes one of them, and only then.
	Ownership uint64
	// Legacy is set when fields are owned by an update of "helm" or "helm-controller".
	Legacy bool
	// Deleting is set when the object waits for its finalizers.
	Deleting bool
	// Autoscaled is set when a HorizontalPodAutoscaler owns spec.replicas.
	Autoscaled bool
	// IgnoresDrift and IgnoresHealth are set by annotations of the object.
	IgnoresDrift, IgnoresHealth bool
	// Ready is the object's health when a Job only has to be started, Complete when it has to have completed.
	Ready, Complete health.Report
	// Applied is the Ownership right after our own last write, Payload the digest of what was sent with it. Both are zero
	// when this process has not written the object.
	Applied, Payload uint64
	// verdicts are the health by the rules of users, sorted by user; nil where no user has rules for the object. They are
	// replaced, never changed.
	verdicts *[]verdict
}

// Reduce returns what is kept of an object that Helm manages.
func Reduce(object *unstructured.Unstructured) Entry { return Helm().reduce(object) }

func (s Scope) reduce(object *unstructured.Unstructured) Entry {
	entry := Entry{
		UID:             object.GetUID(),
		ResourceVersion: number(object.GetResourceVersion()),
		Generation:      object.GetGeneration(),
		Deleting:        object.GetDeletionTimestamp() != nil,
		Ready:           bounded(health.Assess(object, false)),
		Complete:        bounded(health.Assess(object, true)),
	}
	s.annotate(&entry, object.GetLabels(), object.GetAnnotations())
	managed, _, _ := unstructured.NestedFieldNoCopy(object.Object, "metadata", "managedFields")
	fields, _ := managed.([]any)
	owners := owners{scope: s}
	for _, field := range fields {
		field, _ := field.(map[string]any)
		manager, _ := field["manager"].(string)
		operation, _ := field["operation"].(string)
		subresource, _ := field["subresource"].(string)
		owners.add(manager, operation, subresource, func() any { return field["fieldsV1"] })
	}

	owners.notify(&entry)
	return entry
}

// reduceMetadata is reduce for an object of which only the metadata is known. It is as healthy as its metadata says.
func (s Scope) reduceMetadata(object *metav1.PartialObjectMetadata) Entry {
	entry := Entry{
		UID:             object.UID,
		ResourceVersion: number(object.ResourceVersion),
		Generation:      object.Generation,
		Deleting:        object.DeletionTimestamp != nil,
		Ready:           healthOfMetadata(object),
	}
	entry.Complete = entry.Ready
	s.annotate(&entry, object.Labels, object.Annotations)
	owners := owners{scope: s}
	for _, field := range object.ManagedFields {
		owners.add(field.Manager, string(field.Operation), field.Subresource, func() any {
			var tree any
			if field.FieldsV1 == nil || json.Unmarshal(field.FieldsV1.GetRawBytes(), &tree) != nil {
				return nil
			}

			return tree
		})
	}

	owners.notify(&entry)
	return entry
}

func healthOfMetadata(object *metav1.PartialObjectMetadata) health.Report {
	bare := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	bare.SetDeletionTimestamp(object.DeletionTimestamp)
	return health.Assess(bare, false)
}

// owners are what managedFields say of an object. Digests are added up, so that two entries with the same fields do not
// cancel each other out.
type owners struct {
	scope              Scope
	applied, updated   uint64
	legacy, autoscaled bool
}

func (o *owners) add(manager, operation, subresource string, fields func() any) {
	switch {
	case subresource == scaleSubresource && manager == autoscaler &&
		operation == string(metav1.ManagedFieldsOperationUpdate):
		o.autoscaled = o.autoscaled || ownsReplicas(fields())
	case subresource != "":
	case operation == string(metav1.ManagedFieldsOperationApply) && manager == o.scope.manager:
		o.applied += digest(fields())
	case operation == string(metav1.ManagedFieldsOperationUpdate) && slices.Contains(o.scope.legacy, manager):
		o.legacy, o.updated = true, o.updated+digest(fields())
	}
}

func (o *owners) notify(e *Entry) {
	e.Ownership = o.applied
	e.Legacy = o.legacy
	e.Autoscaled = o.autoscaled
	if e.Ownership == 0 {
		e.Ownership = o.updated
	}
}

// A HorizontalPodAutoscaler scales by the subresource, as the manager that all controllers of Kubernetes share.
const (
	scaleSubresource = "scale"
	autoscaler       = "kube-controller-manager"
)

func ownsReplicas(fields any) bool {
	tree, _ := fields.(map[string]any)
	spec, _ := tree["f:spec"].(map[string]any)
	_, owns := spec["f:replicas"]
	return owns
}

func (s Scope) annotate(e *Entry, labels, annotations map[string]string) {
	e.IgnoresDrift = annotations[v1beta1.DriftIgnoreAnnotation] == v1beta1.Ignored
	e.IgnoresHealth = annotations[v1beta1.HealthIgnoreAnnotation] == v1beta1.Ignored
	namespace, name := s.owner(labels, annotations)
	e.Release, e.ReleaseNamespace = cut(name, maxAnnotation), cut(namespace, maxAnnotation)
}

// digest of a tree of fields, independent of the order in which it was written. It is never zero.
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
	report.Message = shortened(report.Message)
	report.Quote = shortened(report.Quote)
	return report
}

// shortened marks a text that it cuts: a mask finds the beginning of a secret only in front of such a mark, however far
// the text goes.
func shortened(text string) string {
	const mark = "…"
	if len(text) <= maxMessage {
		return text
	}
	return cut(text, maxMessage-len(mark)) + mark
}

func cut(text string, length int) string {
	if len(text) <= length {
		return text
	}
	return strings.ToValidUTF8(strings.Clone(text[:length]), "")
}
