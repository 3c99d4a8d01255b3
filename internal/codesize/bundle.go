package codesize

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// Bundle is what a browser loads for a chat: a few lines and their library.
type Bundle struct {
	Side    Side   `json:"side"`
	Library string `json:"library"` // "socket.io-client 4.8.4"; "none" if the browser has it all
	Min     int    `json:"minB"`    // minified, in bytes
	Gzip    int    `json:"gzipB"`   // of these, compressed, in bytes
}

//go:embed browser/raw.js
var rawPage string

//go:embed browser/sio.js
var sioPage string

// page is a chat in a browser that can be bundled.
type page struct {
	side    Side
	code    string
	library string // as package.json calls it; "" if there is none
}

// pages are what is bundled.
var pages = []page{
	{Raw, rawPage, ""},
	{SocketIO, sioPage, "socket.io-client-v2"},
	{SocketIO, sioPage, "socket.io-client"},
}

// errNotInstalled says that a package of npm is not there.
var errNotInstalled = errors.New("not installed")

// bundle minifies a page with its library, which the lock file describes.
func (p page) bundle(root string, lock *lockFile) (Bundle, error) {
	b := Bundle{Side: p.side, Library: "none"}
	dir := filepath.Join(root, filepath.FromSlash(p.side.folder(JavaScript)))
	options := api.BuildOptions{
		Stdin: &api.StdinOptions{
			Contents: p.code, ResolveDir: dir, Sourcefile: "page.js", Loader: api.LoaderJS,
		},
		AbsWorkingDir: dir,
		Bundle:        true, MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		Platform: api.PlatformBrowser, Format: api.FormatESModule, Target: api.ES2020,
		LegalComments: api.LegalCommentsNone, Charset: api.CharsetUTF8,
		LogLevel: api.LogLevelSilent,
	}
	if p.library != "" {
		want := lock.Packages["node_modules/"+p.library]
		name := want.Name
		if name == "" {
			name = p.library
		}
		b.Library = name + " " + want.Version
		have, err := installedVersion(dir, p.library)
		if err != nil {
			return b, err
		}
		if have != want.Version {
			return b, fmt.Errorf("%w: %s is there in version %s", errNotInstalled, name, have)
		}
		options.Alias = map[string]string{"socket.io-client": "./" + path.Join("node_modules", p.library)}
	}
	result := api.Build(options)
	if err := esbuildError(result.Errors); err != nil {
		return b, err
	}
	code := result.OutputFiles[0].Contents
	b.Min = len(code)
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return b, err
	}
	if _, err := w.Write(code); err != nil {
		return b, err
	}
	if err := w.Close(); err != nil {
		return b, err
	}
	b.Gzip = packed.Len()
	return b, nil
}

// installedVersion returns the version of a package that is installed.
func installedVersion(dir, name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, "node_modules", filepath.FromSlash(name), "package.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", errNotInstalled
	}
	if err != nil {
		return "", err
	}
	var p struct{ Version string }
	if err := json.Unmarshal(data, &p); err != nil {
		return "", fmt.Errorf("package.json of %s: %w", name, err)
	}
	return p.Version, nil
}
