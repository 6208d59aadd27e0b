package main

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-base/version"
)

// nodeName is the one node of the cluster.
const nodeName = "node-0"

// simulatedNode is a node with room for thousands of pods.
func simulatedNode() *corev1.Node {
	room := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("20000"),
		corev1.ResourceMemory:           resource.MustParse("64Ti"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Pi"),
		corev1.ResourcePods:             resource.MustParse("20000"),
	}
	kubernetesVersion := version.Get().GitVersion
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        nodeName,
			Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
			Labels: map[string]string{
				corev1.LabelHostname:   nodeName,
				corev1.LabelOSStable:   "linux",
				corev1.LabelArchStable: "amd64",
			},
		},
		Status: corev1.NodeStatus{
			Capacity:    room,
			Allocatable: room,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: nodeIP},
				{Type: corev1.NodeHostName, Address: "localhost"},
			},
			NodeInfo: corev1.NodeSystemInfo{
				Architecture:            "amd64",
				OperatingSystem:         "linux",
				OSImage:                 "simulated",
				KernelVersion:           "simulated",
				ContainerRuntimeVersion: "sim://1.0",
				KubeletVersion:          kubernetesVersion,
			},
		},
	}
}

// ensureNode creates the node, or leaves it when the cluster is resumed. Its lease is removed: the kwok of the last run
// holds it under a name of its own, and a new kwok would leave the node alone until it expires.
func ensureNode(ctx context.Context, client kubernetes.Interface) error {
	_, err := client.CoreV1().Nodes().Create(ctx, simulatedNode(), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create node %s: %w", nodeName, err)
	}
	err = client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Delete(ctx, nodeName, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete the old lease of node %s: %w", nodeName, err)
	}
	return nil
}

// nodeReady reports whether kwok has taken the node and pods can be placed on it.
func nodeReady(ctx context.Context, client kubernetes.Interface) (bool, error) {
	if _, err := client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, nodeName,
		metav1.GetOptions{}); err != nil {
		return false, err
	}
	node, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return false, err
	}
	if len(node.Spec.Taints) > 0 {
		return false, fmt.Errorf("node still has the taint %s", node.Spec.Taints[0].Key)
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue, nil
		}
	}
	return false, nil
}

// defaultAccountPresent reports whether pods can be created in namespace default: admission refuses them before.
func defaultAccountPresent(ctx context.Context, client kubernetes.Interface) (bool, error) {
	_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
	return err == nil, err
}

// addressPodName is the pod that gets the first address of a start. Kwok makes its pool of addresses for the first pod.
// When two workers need one at the same time, each makes a pool, and two pods get the same address: so one pod gets its
// address before the cluster reports that it is ready.
const addressPodName = "devcluster-first-address"

func createAddressPod(ctx context.Context, client kubernetes.Interface) error {
	if err := deleteAddressPod(ctx, client); err != nil { // of a start that was cut short
		return err
	}
	mounts := false
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: addressPodName},
		Spec: corev1.PodSpec{
			NodeName: nodeName, AutomountServiceAccountToken: &mounts,
			Containers: []corev1.Container{{Name: "none", Image: "none"}},
		},
	}
	if _, err := client.CoreV1().Pods(metav1.NamespaceDefault).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("create pod %s: %w", addressPodName, err)
	}
	return nil
}

func addressPodServed(ctx context.Context, client kubernetes.Interface) (bool, error) {
	pod, err := client.CoreV1().Pods(metav1.NamespaceDefault).Get(ctx, addressPodName, metav1.GetOptions{})
	return err == nil && pod.Status.PodIP != "", err
}

func deleteAddressPod(ctx context.Context, client kubernetes.Interface) error {
	err := client.CoreV1().Pods(metav1.NamespaceDefault).Delete(ctx, addressPodName, *metav1.NewDeleteOptions(0))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete pod %s: %w", addressPodName, err)
	}
	return nil
}

// podAddressesAfter is the pod range as kwok counts it: the address in it is the last one not to give out. Kwok forgets
// at its end which addresses are in use, so a resumed cluster continues after the highest one.
func podAddressesAfter(pods []corev1.Pod) string {
	podPrefix := netip.MustParsePrefix(podRange)
	last := podPrefix.Addr()
	for _, pod := range pods {
		address, err := netip.ParseAddr(pod.Status.PodIP)
		if err == nil && podPrefix.Contains(address) && last.Less(address) {
			last = address
		}
	}
	return netip.PrefixFrom(last, podPrefix.Bits()).String()
}
