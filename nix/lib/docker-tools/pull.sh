# Puts fetched blobs together to a layout, and writes that as an archive: $blobs are the files,
# $digests their digests in the same order.
in_environment out blobs digests index reference cooper
mkdir -p layout/blobs/sha256
printf '{"imageLayoutVersion":"1.0.0"}' >layout/oci-layout
printf %s "$index" >layout/index.json

read -r -a files <<<"$blobs"
read -r -a names <<<"$digests"
for at in "${!files[@]}"; do
    cp --reflink=auto -- "${files[at]}" "layout/blobs/sha256/${names[at]#sha256:}"
done
"$cooper" copy --quiet oci:layout "archive:$out:$reference"
