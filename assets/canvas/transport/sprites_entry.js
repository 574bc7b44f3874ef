// The component "digit_sprites": receives a data set's images once and shows nothing.

export default function ({ data }) {
  if (!data?.length) return;
  const { header, array } = readBlob(data);
  digitSprites.add(header.dataset_key, header, array(Uint8Array, header.images)).catch((error) => {
    digitSprites.sets.delete(header.dataset_key);
    console.error("The digit images could not be decoded:", error);
  });
}
