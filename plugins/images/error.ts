/** Errors about images, for the user who wrote the reference. */

/** An image couldn't be had. The message says why and what to do. */
export class ImageError extends Error {
  override readonly name = "ImageError";
  /** The reference as the option holds it; set where it is resolved. */
  reference = "";
}

/** All images that couldn't be had: one run, all findings. */
export class ImagesError extends Error {
  override readonly name = "ImagesError";
  constructor(readonly failures: readonly ImageError[]) {
    super(failures.map(({ message }) => message).join("\n"));
  }
}
