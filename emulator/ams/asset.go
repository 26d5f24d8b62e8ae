package ams

import (
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// FirstAsset is the id of the asset that is there from the start: a file to encode.
const FirstAsset = "nb:cid:UUID:5f9e5a0c-6a0f-4c55-9a3b-1d0c8a6e7b01"

// storage is the name of the account's storage.
const storage = "contosostore"

// An asset holds files.
type asset struct {
	id, name, alternate string
	options, format     int
	created, changed    time.Time
	files               []*file
}

// A file is one of an asset. Its bytes are not played.
type file struct {
	id, name, mime   string
	size             int
	primary          bool
	created, changed time.Time
}

// guid returns what follows the prefix of an id.
func guid(id string) string { return id[strings.LastIndexByte(id, ':')+1:] }

func (a *asset) entity() *entity {
	alternate := any(nil)
	if a.alternate != "" {
		alternate = a.alternate
	}
	return &entity{of: assets, id: a.id, fields: map[string]any{"Id": a.id, "State": 0,
		"Created": localTime(a.created), "LastModified": localTime(a.changed), "AlternateId": alternate,
		"Name": a.name, "Options": a.options, "FormatOption": a.format, "StorageAccountName": storage,
		"Uri": "https://" + storage + ".blob.core.windows.net/asset-" + guid(a.id)}}
}

// entity returns the file as it is shown. Its size is a text: 64-bit numbers are, in JSON.
func (f *file) entity(parent string) *entity {
	mime := any(nil)
	if f.mime != "" {
		mime = f.mime
	}
	return &entity{of: files, id: f.id, fields: map[string]any{"Id": f.id, "Name": f.name,
		"ContentFileSize": strconv.Itoa(f.size), "ParentAssetId": parent, "EncryptionVersion": nil,
		"EncryptionScheme": nil,
		"IsEncrypted":      false, "EncryptionKeyId": nil, "InitializationVector": nil, "IsPrimary": f.primary,
		"LastModified": localTime(f.changed), "Created": localTime(f.created), "MimeType": mime,
		"ContentChecksum": nil, "Options": 0}}
}

func entities[T interface{ entity() *entity }](list []T) (all []*entity) {
	for _, one := range list {
		all = append(all, one.entity())
	}
	return all
}

func (s *System) allAssets() []*entity { return entities(s.assets) }

func (s *System) allFiles() (all []*entity) {
	for _, a := range s.assets {
		all = append(all, s.filesOf(a.id)...)
	}
	return all
}

func (s *System) filesOf(id string) (all []*entity) {
	a := s.asset(id)
	for _, f := range a.files {
		all = append(all, f.entity(a.id))
	}
	return all
}

// asset returns the asset of an id, or nil. The caller holds s.mu.
func (s *System) asset(id string) *asset {
	i := slices.IndexFunc(s.assets, func(a *asset) bool { return strings.EqualFold(a.id, id) })
	if i < 0 {
		return nil
	}
	return s.assets[i]
}

// AddAsset makes an asset with files of these names, the first of which is the primary one, and returns its id.
func (s *System) AddAsset(name string, files ...string) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addAsset(assets.prefix+emulator.NewID(), name, files...).id
}

// addAsset is AddAsset with an id. The caller holds s.mu.
func (s *System) addAsset(id, name string, names ...string) *asset {
	a := &asset{id: id, name: name, created: s.now(), changed: s.now()}
	for i, name := range names {
		a.add(s.now(), name, i == 0)
	}
	s.assets = append(s.assets, a)
	return a
}

// add adds a file.
func (a *asset) add(now time.Time, name string, primary bool) *file {
	size := 73_400_320 // about what a minute of video has
	switch strings.ToLower(path.Ext(name)) {
	case ".ism", ".ismc", ".xml":
		size = 1_893
	}
	f := &file{id: files.prefix + emulator.NewID(), name: name, size: size, primary: primary, created: now,
		changed: now}
	a.files = append(a.files, f)
	return f
}

// createAsset answers the creation of an asset. The caller holds s.mu.
func (s *System) createAsset(in *input) (*entity, error) {
	a := &asset{id: assets.prefix + emulator.NewID(), created: s.now(), changed: s.now()}
	in.text("Name", &a.name)
	in.text("AlternateId", &a.alternate)
	in.number("Options", &a.options)
	in.number("FormatOption", &a.format)
	in.ignore("StorageAccountName")
	in.given("Id", "Created", "LastModified", "State", "Uri")
	if err := in.end(); err != nil {
		return nil, err
	}
	s.assets = append(s.assets, a)
	return a.entity(), nil
}

func (s *System) updateAsset(id string, in *input) error {
	a := s.asset(id)
	name, alternate := a.name, a.alternate
	in.text("Name", &name)
	in.text("AlternateId", &alternate)
	in.once("Id", "Created", "LastModified", "State", "Uri", "Options", "FormatOption", "StorageAccountName")
	if err := in.end(); err != nil {
		return err
	}
	a.name, a.alternate, a.changed = name, alternate, s.now()
	return nil
}

// removeAsset deletes an asset with its files and locators.
func (s *System) removeAsset(id string) error {
	gone := s.asset(id)
	s.assets = slices.DeleteFunc(s.assets, func(a *asset) bool { return a == gone })
	s.locators = slices.DeleteFunc(s.locators, func(l *locator) bool { return l.asset == gone })
	return nil
}

// createFile answers the creation of a file's entity.
func (s *System) createFile(in *input) (*entity, error) {
	f := &file{id: files.prefix + emulator.NewID(), created: s.now(), changed: s.now()}
	parent := ""
	in.text("Name", &f.name)
	in.text("ParentAssetId", &parent)
	in.text("MimeType", &f.mime)
	in.number("ContentFileSize", &f.size)
	in.flag("IsPrimary", &f.primary)
	in.given("Id", "Created", "LastModified")
	in.ignore("IsEncrypted", "EncryptionVersion", "EncryptionScheme", "EncryptionKeyId", "InitializationVector",
		"ContentChecksum", "Options")
	err := in.end()
	a := s.asset(parent)
	switch {
	case err != nil:
		return nil, err
	case f.name == "":
		return nil, missing(files.name, "Name")
	case a == nil:
		return nil, failed(http.StatusNotFound, "The asset '%s' of the file was not found.", parent)
	case slices.ContainsFunc(a.files, func(other *file) bool { return strings.EqualFold(other.name, f.name) }):
		return nil, failed(http.StatusConflict, "The asset already has a file of the name '%s'.", f.name)
	}
	a.files = append(a.files, f)
	return f.entity(a.id), nil
}

// fileOf returns a file and its asset.
func (s *System) fileOf(id string) (*asset, *file) {
	for _, a := range s.assets {
		for _, f := range a.files {
			if strings.EqualFold(f.id, id) {
				return a, f
			}
		}
	}
	return nil, nil
}

func (s *System) updateFile(id string, in *input) error {
	_, f := s.fileOf(id)
	after := *f
	in.text("MimeType", &after.mime)
	in.number("ContentFileSize", &after.size)
	in.flag("IsPrimary", &after.primary)
	in.ignore("Id", "Name", "ParentAssetId")
	if err := in.end(); err != nil {
		return err
	}
	after.changed = s.now()
	*f = after
	return nil
}

func (s *System) removeFile(id string) error {
	a, gone := s.fileOf(id)
	a.files = slices.DeleteFunc(a.files, func(f *file) bool { return f == gone })
	return nil
}

// Encoders are the media processors, each as name, version and the GUID of its id. The highest version of "Media
// Encoder
// Standard" is not the last one of the list, nor that which is last in the order of letters.
var encoders = [][3]string{
	{"Media Encoder Standard", "1.1.0.0", "24c55a3e-1f0b-4f4e-8d1e-3e7a2f1c9a11"},
	{"Media Encoder Standard", "1.10.2.0", "ff4df607-d419-42f0-bc17-a481b1331e56"},
	{"Media Encoder Standard", "1.9.0.0", "8a2c6f04-5b1e-4d8f-b0c7-6f2d7a9e3c22"},
	{"Media Encoder Premium Workflow", "1.1", "77fea72b-d8d0-4b83-9c2f-1a5e8d3b7f33"},
	{"Azure Media Indexer", "1.3.2.0", "233e57fc-36bb-4e6d-8f1b-2c4a9d6e8b44"},
	{"Azure Media Encoder", "4.7", "1b1da727-93ae-4e46-a8a1-268828765609"},
}

func (s *System) allProcessors() (all []*entity) {
	for _, e := range encoders {
		id := processors.prefix + e[2]
		all = append(all, &entity{of: processors, id: id, fields: map[string]any{"Id": id, "Name": e[0],
			"Version": e[1], "Description": e[0], "Sku": "", "Vendor": "Microsoft"}})
	}
	return all
}
