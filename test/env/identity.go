package env

import (
	"context"
	"fmt"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// As returns the cluster as a ServiceAccount sees it, by a token of its own. Its kubeconfig is written to dir.
func (c *Cluster) As(ctx context.Context, namespace, name, dir string) (*Cluster, error) {
	clients, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return nil, err
	}
	token, err := clients.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{},
		metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("asking for a token of ServiceAccount %s/%s: %w", namespace, name, err)
	}
	config, err := clientcmd.LoadFromFile(c.Kubeconfig)
	if err != nil {
		return nil, err
	}
	for name := range config.AuthInfos {
		config.AuthInfos[name] = &api.AuthInfo{Token: token.Status.Token}
	}
	as := &Cluster{Kubeconfig: filepath.Join(dir, namespace+"-"+name+".kubeconfig"), process: c.process}
	if err := clientcmd.WriteToFile(*config, as.Kubeconfig); err != nil {
		return nil, err
	}
	return as, as.connect()
}
